/** The log in memory keeps the port's laws. */
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { openMemoryLog } from '../../src/log/memory.ts';
import { logConformance } from './conformance.ts';

logConformance('log in memory', async () => ({
  log: openMemoryLog({ sha256: nodeSha256 }).log,
  reopen: null,
  end: async () => undefined,
}));
