#!/usr/bin/env node
// Plain JavaScript, so that `npx berth` works right after `npm ci`, without a build step:
// tsx strips the types while loading (Node 20 cannot do it alone).
import { register } from 'tsx/esm/api';

register();
const { main } = await import('../src/cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
