"""A sorter that behaves: loop or diverter line, PLC program, mailbox on Modbus TCP, a process.

Run it with ``python -m plc_adapters.emulator --config emulator.toml``. Physics and PLC program know
neither asyncio nor a clock: they are stepped by microseconds, so that the same sorter runs in real
time behind a socket and in virtual time inside a simulation.
"""
