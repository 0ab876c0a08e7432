/**
 * What kind of controller this is, in a few words each with an explanation: the badges of the banner.
 *
 * Why so frank: slots that are simulated, a log that forgets and keys that everybody has are fine in a trial and a disaster in
 * production, and they look alike on every other page. Test: `test/dashboard/standing.test.ts`.
 */
import type { State } from '../jobs/state.ts';
import type { Source } from './model.ts';
import type { About } from './server.ts';

export interface Badge {
  readonly text: string;
  /** The same at length. */
  readonly title: string;
  /** Something to know before trusting it. */
  readonly isWarning: boolean;
}

const badge = (text: string, title: string, isWarning = false): Badge => ({ text, title, isWarning });

/** Warnings first. `about` is null in a page without a server: then what the log itself says is told. */
export function standing(state: State, about: About | null): readonly Badge[] {
  const found = new Set([...state.fleet.values()].map(({ enforcement }) => enforcement));
  const version = state.controller.configured?.version ?? about?.version;
  const badges = [
    ...(about ? [durability(about.durability)] : []),
    ...[...found].sort().map((each) => slots[each] ?? badge(`slots ${each}`, '')),
    ...(about?.demo
      ? [
          badge(
            'demo keys',
            'Anyone who can reach this address may act as a demo tenant or as the operator. Start without --demo for real work.',
            true,
          ),
        ]
      : []),
    ...(about ? [isolation(about.isolation)] : []),
    ...(version
      ? [badge(`v${version}`, `Version of the controller that wrote this part of the log: ${version}`)]
      : []),
  ];
  return badges.sort((a, b) => Number(b.isWarning) - Number(a.isWarning));
}

function durability(text: string): Badge {
  const [kind = '', how = ''] = text.split(': ');
  return kind === 'memory'
    ? badge(
        'NOT durable: memory',
        'Facts are kept in memory alone: when the process ends, every job is gone.',
        true,
      )
    : badge(
        `durable: ${how.split(' ')[0] ?? kind}`,
        `Nothing is answered before its facts are on disk (${text}): an accepted job survives a crash.`,
      );
}

const slots: Readonly<Record<string, Badge>> = {
  simulated: badge(
    'slots simulated',
    'No GPU stands behind the slots: placement and quotas are real, the hardware is not.',
    true,
  ),
  advisory: badge(
    'slots advisory',
    'A GPU stands behind the slots, but does not keep a guest within its own.',
    true,
  ),
  enforced: badge('slots enforced', 'The GPU itself keeps each guest within its slot.'),
};

function isolation(level: string): Badge {
  const titles: Readonly<Record<string, string>> = {
    none: 'No guest runs here: this controller has no runners, and jobs wait.',
    L0: 'Each guest runs in a process of its own, without memory limits by the kernel.',
    L1: 'Each guest runs in a process of its own, with memory limits by the kernel.',
  };
  return badge(level === 'none' ? 'no runners' : `isolation ${level}`, titles[level] ?? '', level === 'none');
}

/** Where the facts come from, and whether more will come. */
export function connection(source: Source): Badge {
  switch (source.kind) {
    case 'loading':
      return badge(
        source.total ? `loading ${Math.floor((100 * source.loaded) / source.total)} %` : 'loading',
        'The log is being read.',
      );
    case 'live':
      return badge('connected', 'New facts are shown as they become durable.');
    case 'reconnecting':
      return badge(
        'reconnecting',
        `The server does not answer (${source.reason}). What was read stays; it is tried again.`,
        true,
      );
    case 'file':
      return badge(
        `recorded: ${source.name}`,
        'A log in a file: all of it is here, nothing is asked of any server.',
      );
    case 'failed':
      return badge('not connected', `${source.reason}. ${source.next}`, true);
  }
}
