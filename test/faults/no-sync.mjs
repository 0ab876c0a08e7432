// Preloaded into a controller (`node --import`): fdatasync of the log becomes a promise that nothing stands behind.
// `durability.test.ts` shows with it that its checker would notice a 202 that comes too early.
import { open } from 'node:fs/promises';

const handle = await open('/dev/null');
Object.getPrototypeOf(handle).datasync = async () => undefined;
await handle.close();
