"""A PLC's side of the mailbox as source text: Structured Text (IEC 61131-3) and Siemens SCL."""
