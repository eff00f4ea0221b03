"""Running somebody's eval command without trusting it: bounded, watched, ended as a whole. No Django in here.

``command`` the process and its limits · ``guard`` what stands between it and the worker · ``lines`` what it says
"""
