"""The one place that knows every room: what each process is made of.

One module per process, so that a line loads neither HTTP nor a database, and a face no line.
"""
