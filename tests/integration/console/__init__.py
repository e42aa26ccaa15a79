"""The live page in a real browser, before a service that runs."""
