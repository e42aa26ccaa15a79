"""The tables of a delivery network: divisions, centres, brands, routes."""
