"""The practice fleet: twenty simulated agent instances that live through an incident, by public doors only.

It runs as one small process without Django (``python -m rollouts.practice``; ``manage.py practice`` hands it its
keys). Nothing here is scripted but the bundles, the customers and what changes outside: what an instance answers
follows from the bundle it last resolved.

``scenarios`` what can be lived through, one module each · ``turns`` where the story has got to · ``status`` what is
said of it · ``resolved`` a bundle as an instance sees it · ``bundles``, ``refunds``, ``agent`` the refund agent, its
customers and their desk · ``monitor`` the rolling rate and its alert rule · ``spans`` telemetry: all pure. ``doors``
the wire · ``fleet`` the loop.
"""
