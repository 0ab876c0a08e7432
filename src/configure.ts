/**
 * Brings the settings of this start into the log: bounds and policy as one fact, the fleet as a fact a GPU.
 *
 * Why in the log: what a decision depended on must be there to be read when the decision is questioned. A
 * setting that only the process knew is gone with it. Test: `test/controller.test.ts`.
 */
import { machineVersions } from '../machines/versions.ts';
import type { ControllerSettings } from './controller.ts';
import { BerthError } from './errors.ts';
import type { PlainCommand } from './jobs/commands.ts';
import type { State } from './jobs/state.ts';
import { placementName } from './slots/placement.ts';

/** Reason of a drain that a fleet setting without this GPU caused; undone when a later one names it again. */
export const notInFleet = 'not in the configured fleet';

export interface Configuring {
  readonly state: State;
  readonly settings: ControllerSettings;
  /** Guests that may run at once. */
  readonly runners: number;
  /** GPUs that were drained only because a former fleet setting left them out. */
  readonly leftOut: ReadonlySet<string>;
  /** Appends one fact, durably. */
  readonly note: (command: PlainCommand) => Promise<void>;
}

/** Throws ERR_CONFIG when the fleet setting calls a known GPU another board. */
export async function configure({ state, settings, runners, leftOut, note }: Configuring): Promise<void> {
  const { attestMs, fleet, lossesMax, policy, queuedMax, retainedMax, stopMs, version } = settings;
  const data = {
    attestMs,
    lossesMax,
    machines: machineVersions,
    placement: placementName,
    policy,
    queuedMax,
    retainedMax,
    runners,
    stopMs,
    version,
  };
  await note({ kind: 'Note', type: 'controller.configured', stream: 'controller', data });
  for (const { id, board, enforcement } of fleet) {
    const stream = `slot.${id}`;
    const known = state.fleet.get(id);
    if (!known) {
      await note({ kind: 'Note', type: 'slot.added', stream, data: { board, enforcement } });
    } else if (known.board !== board) {
      const clash = `${id} is a ${known.board} in the log and a ${board} in --fleet; name it otherwise`;
      throw new BerthError('ERR_CONFIG', clash);
    } else if (known.machine.state !== 'serving' && leftOut.has(id)) {
      await note({ kind: 'Note', type: 'slot.restored', stream, data: { reason: notInFleet } });
    }
  }
  const named = new Set(fleet.map(({ id }) => id));
  for (const { id, machine } of state.fleet.values()) {
    if (named.has(id) || machine.state !== 'serving') continue;
    await note({ kind: 'Note', type: 'slot.drained', stream: `slot.${id}`, data: { reason: notInFleet } });
  }
}
