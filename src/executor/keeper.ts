/**
 * The thread in each runner that the guest can't block: it keeps the lease, or ends the process.
 *
 * Why a thread of its own: a guest in an endless loop holds the main thread for ever, so the main
 * thread can't notice that the controller is gone. This one shares no data with it. It answers each
 * renewal byte with one byte (that is the heartbeat), and sends SIGKILL to its own process when the
 * pipe ends (the controller died) or when no renewal came for a whole lease (the controller is cut
 * off and counts this runner as lost). It is the second line behind `setpriv --pdeathsig KILL`, and
 * the only one where there is no setpriv.
 *
 * A thread serves here because it is *ours*; it would be no wall around a guest (see README.md).
 * A runner is a process of its own and no part of a simulation, so this file reads the real clock.
 * Test: `test/executor/containment.test.ts`.
 */
import { Socket } from 'node:net';

/** Answers renewals on `fd` until the process has to die. Returns once it listens. */
export function keepLease(fd: number, leaseMs: number): void {
  const dieNow = (): void => {
    process.kill(process.pid, 'SIGKILL');
  };
  const pipe = new Socket({ fd, readable: true, writable: true });
  const expiry = setTimeout(dieNow, leaseMs);
  pipe.on('data', () => {
    expiry.refresh();
    // A controller that doesn't read its heartbeats gets no pile of them.
    if (pipe.writableLength < 1_024) pipe.write('.');
  });
  pipe.on('end', dieNow);
  pipe.on('error', dieNow);
  pipe.on('close', dieNow);
}
