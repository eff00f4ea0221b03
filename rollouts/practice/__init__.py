"""The practice fleet: twenty simulated agent instances that live through one incident, by public doors only.

It runs as one small process without Django (``python -m rollouts.practice``; ``manage.py practice`` hands it its
keys). Nothing here is scripted but the two bundles and the customers: what an instance answers follows from the
bundle it last resolved.

``bundles`` what is shipped · ``refunds`` customers and the refund desk · ``agent`` one instance's behaviour, pure ·
``monitor`` the rolling rate and its alert rule, pure · ``spans`` telemetry · ``doors`` the wire · ``fleet`` the loop
"""
