"""Ways to talk to a sorter's PLC: one contract, one mailbox, an adapter per protocol."""
