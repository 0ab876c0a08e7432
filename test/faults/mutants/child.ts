/** The end of a child process, and all that it said; killed with all that it started when it takes too long. */
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface Ended {
  /** Exit code; null when it was killed. */
  readonly code: number | null;
  readonly late: boolean;
  readonly output: string;
}

/** @param child  started with `detached`, so that it leads a process group of its own */
export function ended(child: ChildProcessByStdio<null, Readable, Readable>, msMax: number): Promise<Ended> {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  return new Promise((resolve, reject) => {
    let late = false;
    const killGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nothing of the group is left.
      }
    };
    const timer = setTimeout(() => {
      late = true;
      killGroup();
    }, msMax);
    process.once('exit', killGroup);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      process.removeListener('exit', killGroup);
      resolve({ code, late, output });
    });
  });
}
