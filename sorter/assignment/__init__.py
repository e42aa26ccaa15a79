"""The decision: codes to waybill to route to chutes, compiled, over arrays only."""
