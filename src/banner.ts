/**
 * What a person reads first when a controller starts: what runs here, where, how durable, what to type next.
 *
 * Why it is this frank: whoever starts a server rarely reads its manual. That slots are simulated, that a log was
 * cut, or that a network can listen in has to be seen without being asked for.
 * Test: `test/banner.test.ts`.
 */
import { join } from 'node:path';
import type { Settings } from './config.ts';
import type { Controller } from './controller.ts';
import { demoTenants } from './demo-tenants.ts';

interface Started {
  readonly version: string;
  readonly settings: Pick<Settings, 'listen' | 'demo' | 'fleet' | 'runners'>;
  /** Absolute. */
  readonly dataDirectory: string;
  readonly controller: {
    readonly backend: Pick<NonNullable<Controller['backend']>, 'probe'> | null;
    readonly log: Pick<Controller['log'], 'durability'>;
    readonly recovered: Controller['recovered'];
    readonly cut: Pick<NonNullable<Controller['cut']>, 'bytes' | 'fromSeq' | 'file'> | null;
  };
}

/** The lines, warnings before the last one, which says what to do next. */
export function bannerOf({ version, settings, dataDirectory, controller }: Started): string[] {
  const { recovered, cut } = controller;
  return [
    `Berth ${version}: event-sourced controller for GPU jobs`,
    `data       ${dataDirectory}`,
    `durable    ${controller.log.durability}`,
    `fleet      ${settings.fleet}, slots simulated: no GPU is touched`,
    runnersLine(settings.runners, controller.backend),
    ...(settings.demo
      ? [`tenants    ${demoTenants.join(', ')} (demo; keys in ${join(dataDirectory, 'tenants')})`]
      : []),
    `recovered  seq ${recovered.ofSeq}, state ${recovered.stateHash.slice(0, 16)}`,
    ...(isLoopback(settings.listen)
      ? []
      : [
          `WARNING    plain HTTP on ${settings.listen}: the network can read and change requests, tokens and results; put TLS in front`,
        ]),
    ...(cut
      ? [
          `WARNING    the log lost ${cut.bytes} bytes from seq ${cut.fromSeq} on; kept in ${cut.file ?? 'no file'}`,
        ]
      : []),
    'next       npx berth job submit wasm/hello.wasm --slot 1g.10gb --wait -- world',
  ];
}

function runnersLine(runners: number, backend: Started['controller']['backend']): string {
  const probe = backend?.probe();
  const notes = probe?.notes.length ? ` (${probe.notes.join('; ')})` : '';
  const isolation = runners === 0 ? 'none' : (probe?.isolation ?? 'none');
  return `runners    ${runners}, isolation ${isolation}${notes}`;
}

/**
 * Is HOST:PORT reachable from this machine alone? A name other than `localhost` may stand for any address, so it is not.
 *
 * Why by URL: it writes each address in one way, so `127.1` and `[0:0:0:0:0:0:0:1]` are recognised as what they are.
 */
export function isLoopback(listen: string): boolean {
  const url = `http://${listen}`;
  if (!URL.canParse(url)) return false;
  return /^(localhost|127\.[0-9.]+|\[::1\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\])$/.test(
    new URL(url).hostname,
  );
}
