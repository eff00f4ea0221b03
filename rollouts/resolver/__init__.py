"""What agents ask while they run: a small ASGI application that answers from memory, beside Django.

``app`` routes, ``feed`` keeps the state true, ``state`` is that state with every answer encoded, ``sightings``
remembers who fetched what. Nothing here decides: pointers and stops are moved by operations.
"""
