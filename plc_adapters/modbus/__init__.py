"""The mailbox over Modbus TCP."""
