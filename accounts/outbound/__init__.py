"""What leaves the house by the network, whichever app sends it: to a checked machine, in bounded time."""
