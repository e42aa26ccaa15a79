"""Run as a script: leaves root, ties its life to its parent's, and becomes another program.

Between fork and exec nothing of Python may run safely in a program with threads, so this small
program runs in between instead. It imports nothing of the service.

Arguments: parent's process id, user id and group id (-1 for no change), the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal this process gets when the thread that started it ends."""


def main() -> None:
    """Become the command."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent, user, group = (int(argument) for argument in sys.argv[1:4])
    command = sys.argv[4:]
    os.umask(0o077)
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        # After the change of user, which clears it. SIGINT is PostgreSQL's fast shutdown.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:
        raise SystemExit("the process that was to be served has ended")
    try:
        os.execv(command[0], command)  # noqa: S606 - that is what it is for
    except OSError as error:
        raise SystemExit(f"{command[0]}: can't be run: {error.strerror}") from None


if __name__ == "__main__":
    main()
