// Preloaded into a controller (`node --import`): its fdatasync obeys the file named by FAULT_FILE.
// "hang": it never returns, and keeps a thread of the pool with it, as a disk does: nobody writes to the fifo that
// it opens, FAULT_FILE.fifo. "EIO" and the like: it fails so. No such file: the real one.
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';

const handle = await open('/dev/null');
const prototype = Object.getPrototypeOf(handle);
const { datasync } = prototype;
await handle.close();

function order() {
  try {
    return readFileSync(process.env.FAULT_FILE, 'utf8');
  } catch {
    return '';
  }
}

prototype.datasync = function (...args) {
  const fault = order();
  if (fault === 'hang') return open(`${process.env.FAULT_FILE}.fifo`, 'r');
  if (fault !== '') return Promise.reject(Object.assign(new Error(`${fault}: fdatasync`), { code: fault }));
  return Reflect.apply(datasync, this, args);
};
