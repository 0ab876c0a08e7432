/**
 * `berth doctor`: what is wrong here, and how to mend it.
 *
 * Why a command and not a page of advice: each check asks this very machine, and a fault comes with the one
 * thing to type. Nothing is changed. Test: `test/cli/operator.test.ts`.
 */
import { execFile } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { readSettings } from '../config.ts';
import { Client } from './client.ts';
import type { Context } from './context.ts';
import { CommandError, exits } from './exit.ts';
import { settingsFlags } from './serve-flags.ts';

interface Finding {
  readonly check: string;
  /** `warn`: Berth works, but with less. */
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What to type or do; empty when all is well. */
  readonly mend: string;
}

const ok = (check: string, found: string): Finding => ({ check, verdict: 'ok', found, mend: '' });

/** Below it, a log and results soon fill the disk, bytes. */
const freeBytesMin = 1024 ** 3;
/** Beyond it, signatures are taken for expired or for issued in the future, ms. */
const skewMsMax = 25_000;

/** Runs all checks. Exit 1 when one fails. */
export async function doctor(context: Context, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const findings = (
    await Promise.all([
      nodeVersion(),
      settingsOf(flags),
      server(context),
      dataDirectory(context.data),
      disk(context.data),
      ...tools.map(tool),
    ])
  ).flat();
  await context.out.rows(
    findings,
    [
      { name: 'check', value: ({ check }) => check },
      { name: 'verdict', value: ({ verdict }) => verdict },
      { name: 'found', value: ({ found }) => found },
      { name: 'mend', value: ({ mend }) => mend },
    ],
    '',
  );
  const failed = findings.filter(({ verdict }) => verdict === 'fail');
  const [first] = failed;
  if (!first) return exits.done;
  throw new CommandError(
    'ERR_CONFIG',
    `${failed.length} of ${findings.length} checks failed: ${failed.map(({ check }) => check).join(', ')}`,
    {
      next: first.mend,
    },
  );
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const check = 'node';
  if (major > 20 || (major === 20 && minor >= 12)) return ok(check, process.version);
  return { check, verdict: 'fail', found: process.version, mend: 'install Node 20.12 or later' };
}

function settingsOf(flags: Readonly<Record<string, unknown>>): Finding {
  try {
    readSettings(settingsFlags(flags));
    return ok('settings', 'all within their bounds');
  } catch (error) {
    return { check: 'settings', verdict: 'fail', found: (error as Error).message, mend: 'berth config show' };
  }
}

/** Reachable, ready, of one time with us, and willing to know us. */
async function server(context: Context): Promise<Finding[]> {
  const { server: url } = context;
  const anonymous = new Client(url, null);
  const beforeMs = Date.now();
  const livez = await attempt(anonymous.open('GET', '/livez', { signal: context.signal }));
  if (livez instanceof Error)
    return [
      { check: 'server', verdict: 'fail', found: livez.message, mend: 'npm start, or pass --server URL' },
    ];
  livez.resume();
  const findings = [
    ok('server', `${url} answers in ${Date.now() - beforeMs} ms`),
    clock(livez.headers.date, beforeMs),
  ];
  const readyz = await attempt(anonymous.open('GET', '/readyz', { signal: context.signal }));
  if (readyz instanceof Error)
    findings.push({ check: 'ready', verdict: 'fail', found: readyz.message, mend: mendOf(readyz) });
  else findings.push(ok('ready', 'takes jobs'));
  if (!(readyz instanceof Error)) readyz.resume();
  return [...findings, await identity(context)];
}

async function identity(context: Context): Promise<Finding> {
  const check = 'identity';
  try {
    const who = await context.identity();
    if (!who)
      return {
        check,
        verdict: 'warn',
        found: 'no key',
        mend: 'pass --tenant and --key, or --data DIR of a server with --demo',
      };
    await context.clientFor(who).json('GET', '/v1/jobs?limit=1');
    return ok(check, `known as ${who.name}, key ${who.key.kid.slice(0, 12)}`);
  } catch (error) {
    return { check, verdict: 'fail', found: (error as Error).message, mend: mendOf(error) };
  }
}

function clock(date: string | undefined, beforeMs: number): Finding {
  const check = 'clock';
  if (date === undefined)
    return { check, verdict: 'warn', found: 'the server sends no date', mend: 'compare the clocks by hand' };
  // The header has whole seconds, and the answer took a while.
  const skewMs = Math.max(0, Math.abs(Date.parse(date) + 500 - (beforeMs + Date.now()) / 2) - 500);
  if (skewMs <= skewMsMax) return ok(check, `within ${Math.ceil(skewMs / 1_000)} s of the server's`);
  return {
    check,
    verdict: 'fail',
    found: `${Math.round(skewMs / 1_000)} s off the server's`,
    mend: 'set the clock: timedatectl set-ntp true',
  };
}

async function dataDirectory(data: string): Promise<Finding> {
  const check = 'data directory';
  const path = nearest(resolve(data));
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return ok(
      check,
      path === resolve(data) ? `${data} is writable` : `${data} is not there; it can be made in ${path}`,
    );
  } catch {
    return {
      check,
      verdict: 'fail',
      found: `${path} is not writable`,
      mend: 'use --data DIR, or run as its owner',
    };
  }
}

async function disk(data: string): Promise<Finding> {
  const check = 'disk space';
  const { bavail, bsize } = await statfs(nearest(resolve(data)));
  const free = bavail * bsize;
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB free`;
  if (free >= freeBytesMin) return ok(check, found);
  return { check, verdict: 'fail', found, mend: 'make room, or use --data DIR on another disk' };
}

/** The folder itself, or the nearest above it that is there. */
function nearest(path: string): string {
  let at = path;
  while (!existsSync(at) && at !== dirname(at)) at = dirname(at);
  return at;
}

/** Programs that keep guests in bounds; without one Berth runs, and says in its banner with how much less. */
const tools = [
  ['setpriv', 'a guest dies with its controller', 'util-linux'],
  ['prlimit', 'guests have limits set by the kernel', 'util-linux'],
  ['nice', 'guests get less of the processor than the controller', 'coreutils'],
] as const;

async function tool([name, purpose, debianPackage]: (typeof tools)[number]): Promise<Finding> {
  const folder = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].find((each) =>
    existsSync(join(each, name)),
  );
  if (!folder)
    return {
      check: name,
      verdict: 'warn',
      found: `missing: ${purpose}`,
      mend: `apt-get install ${debianPackage}`,
    };
  const ran = await attempt(promisify(execFile)(join(folder, name), ['--version'], { timeout: 5_000 }));
  if (ran instanceof Error)
    return { check: name, verdict: 'warn', found: 'does not run', mend: `try: ${name} --version` };
  return ok(name, purpose);
}

const attempt = <T>(promise: Promise<T>): Promise<T | Error> => promise.catch((error: Error) => error);
const mendOf = (error: unknown): string => (error instanceof CommandError ? error.next : 'see the message');
