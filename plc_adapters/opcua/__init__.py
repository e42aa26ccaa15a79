"""The mailbox over OPC UA."""
