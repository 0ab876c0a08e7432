/**
 * The flags of `berth serve`, apart from the server: whoever only wants to list jobs or settings should not
 * wait until all of the server is loaded. Names, bounds and defaults are those of `src/config.ts`.
 * Test: `test/cli/context.test.ts` holds that every setting has its flag.
 */
import type { Command } from 'commander';

/** The flags of `berth serve`; names, bounds and defaults are those of `src/config.ts`. */
export function serveFlags(command: Command): Command {
  return command
    .option('--listen <host:port>', 'where to listen; port 0 takes a free one (default 127.0.0.1:7070)')
    .option('--log <kind>', 'file, or memory: nothing survives (default file)')
    .option('--nats <url>', 'take requests from NATS and publish facts there')
    .option('--nats-trust-subjects', 'the NATS server binds each tenant to its own subjects')
    .option('--fleet <preset|file>', 'COUNTxBOARD[,…] or a JSON file (default 2xH100-80GB)')
    .option('--policy <name>', 'who is next (default round-robin)')
    .option('--runners <n>', 'guests at once; 0 runs none (default: cores − 1)')
    .option('--demo', 'make demo tenants and their keys')
    .option('--queued-max <n>', 'jobs waiting at once (default 10000)')
    .option('--retained-max <n>', 'ended jobs that are answered from memory (default 10000)')
    .option('--checkpoint-facts <n>', 'facts between two checkpoints; 0: none (default 50000)')
    .option('--retire-segments', 'move segments aside in which no job is known any more')
    .option('--head-every <n>', 'facts between two signed heads of the log (default 1000)')
    .option('--submits-per-second-max <n>', 'jobs a tenant may send a second, in the long run (default 1000)')
    .option('--attest-ms <ms>', 'longest verification (default 30000)')
    .option('--stop-ms <ms>', "from the order to stop to the guest's end (default 5000)")
    .option('--losses-max <n>', 'attempts that runners may lose before the job fails (default 3)')
    .option('--lease-ms <ms>', 'a runner silent for so long is taken for dead (default 10000)')
    .option('--grace-ms <ms>', 'how much longer the controller waits than the runner (default 2000)')
    .option(
      '--shutdown <mode>',
      'finish: running jobs may end first; requeue: back to the queue (default finish)',
    )
    .option('--shutdown-ms <ms>', 'what a stop gives running jobs (default 20000)')
    .option('--blob-bytes-max <bytes>', 'largest blob (default 67108864)')
    .option('--tenant-bytes-max <bytes>', 'blob space of one tenant (default 10737418240)')
    .option('--memory-mib-max <mib>', 'largest guest memory a job may ask for (default 1024)')
    .option(
      '--otlp-endpoint <url>',
      'send traces of ended jobs to this OTLP collector, http://HOST:4318 (default none; also OTEL_EXPORTER_OTLP_ENDPOINT)',
    )
    .option('--trace-ratio <share>', 'share of traces that are sent, 0 to 1 (default 1)')
    .option('--accept-torn-tail', 'serve although the log lost records at its end')
    .option('--log-level <level>', 'error, warn, info or debug (default info)');
}

/** Flags that commander spells otherwise than the settings do, and flags that are no settings of the server. */
const renamed: Readonly<Record<string, string>> = { memoryMibMax: 'memoryMiBMax' };
const serverless: ReadonlySet<string> = new Set(['server', 'tenant', 'key', 'output', 'json']);

/** Flags as `readSettings` takes them. */
export function settingsFlags(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const settings = Object.entries(flags).filter(([name]) => !serverless.has(name));
  return Object.fromEntries(settings.map(([name, value]) => [renamed[name] ?? name, value]));
}
