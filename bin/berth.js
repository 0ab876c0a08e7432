#!/usr/bin/env node
// Plain JavaScript, so that `npx berth` works right after `npm ci`, without a build step:
// tsx strips the types while loading (Node 20 cannot do it alone).
import { register } from 'tsx/esm/api';

// Signatures and file reads share libuv's pool with the log's fdatasync. With the default of 4 threads a burst of
// verifications would make every 202 wait behind them.
process.env.UV_THREADPOOL_SIZE ??= '16';

register();
const { main } = await import('../src/cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
