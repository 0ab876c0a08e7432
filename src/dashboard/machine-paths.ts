/**
 * What the machines beside the job's own walked: the GPU's while the job was on it, and the controller's.
 *
 * Their states are folds of other streams, so the path is folded here from those facts; the state that is lit comes from the
 * moment itself. Pure. Test: `test/dashboard/machine-paths.test.ts`.
 */
import { compileTable, type Folded } from '../../machines/compile.ts';
import { type ControllerEvent, type ControllerState, controllerMachine } from '../../machines/controller.ts';
import { type GpuContext, type GpuEvent, type GpuState, slotMachine } from '../../machines/slot.ts';
import type { Edge, LogIndex } from './job-course.ts';
import type { PlayedRecord } from './player.ts';

const gpuTable = compileTable<GpuState, GpuContext, GpuEvent>(slotMachine);
const controllerTable = compileTable<ControllerState, Record<string, never>, ControllerEvent>(
  controllerMachine,
);

interface Walk<S, C> {
  machine: Folded<S, C>;
  readonly edges: Edge[];
  /** Facts folded. */
  count: number;
}

const gpuWalks = new WeakMap<readonly PlayedRecord[], Walk<GpuState, GpuContext>>();

/**
 * Edges that the machine of one GPU walked by facts from `fromSeq` to `toSeq`.
 * @param begin  the GPU's machine before the oldest fact of this log; null when it was not there yet
 */
export function gpuPath(
  { gpus }: LogIndex,
  gpu: string,
  { fromSeq, toSeq }: { readonly fromSeq: number; readonly toSeq: number },
  begin: Folded<GpuState, GpuContext> | null,
): readonly Edge[] {
  const facts = gpus.get(gpu);
  if (!facts) return [];
  let walk = gpuWalks.get(facts);
  if (!walk) {
    walk = { machine: begin ?? { state: gpuTable.initial, context: { held: 0 } }, edges: [], count: 0 };
    gpuWalks.set(facts, walk);
  }
  for (; walk.count < facts.length; walk.count += 1) {
    const { type, seq } = facts[walk.count]!;
    const next = gpuTable.step(walk.machine, { type } as GpuEvent);
    if (!next) continue;
    walk.edges.push({ from: walk.machine.state, to: next.state, fact: type, seq });
    walk.machine = next;
  }
  return walk.edges.filter(({ seq }) => seq >= fromSeq && seq <= toSeq);
}

/**
 * Edges that the controller's machine walked by its own facts up to `seq`; the last leads to `state` where the queue's depth,
 * which is no fact, took it there.
 */
export function controllerPath(
  { controller }: LogIndex,
  seq: number,
  state: ControllerState,
): readonly Edge[] {
  const edges: Edge[] = [];
  let machine: Folded<ControllerState, Record<string, never>> = {
    state: controllerTable.initial,
    context: {},
  };
  for (const { type, seq: at } of controller) {
    if (at > seq) break;
    const next = controllerTable.step(machine, { type } as ControllerEvent);
    if (!next) continue;
    edges.push({ from: machine.state, to: next.state, fact: type, seq: at });
    machine = next;
  }
  const isByQueue = machine.state === 'accepting' && state === 'full';
  return isByQueue ? [...edges, { from: 'accepting', to: 'full', fact: 'queue.full', seq }] : edges;
}
