"""The tables of a delivery network: divisions, centres, brands, routes.

``load.load_network`` reads a network's folder, ``routes`` gives a centre its own routes, ``codes``
and ``compile`` turn brands and routes into arrays. Every error in every file is told at once.
"""
