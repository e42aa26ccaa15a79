"""The life of a sort plan: load, check, compile into an image the line maps.

- ``plan.load_plan``: a plan file, each key checked by itself.
- ``machine.load_chutes``: the chutes of one sorter.
- ``check.check_plan``: a plan against its network and machine, every error and warning at once.
- ``compile.compile_plan``: the arrays a decision reads.
- ``pre_advice.load_pre_advice``: the waybills the brands sent ahead.
- ``prove.prove``: everything that can come, asked of the compiled decision.
- ``diff.diff``: what changes from one plan to another.
- ``whatif.whatif``: a plan tried over recorded pieces (``scans.load_scans``).
- ``image.write_image``, ``image.map_image``: either of them as an immutable file.
"""
