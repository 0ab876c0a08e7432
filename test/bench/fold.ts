/** Folding one job's nine facts: the compiled table beside XState's own pure transition, in the same run. */
import { transition } from 'xstate';
import { compileTable, type Folded } from '../../machines/compile.ts';
import { type JobContext, type JobFact, type JobState, jobMachine, newJob } from '../../machines/job.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';

const spec = jobSpecSchema.parse({ module: `sha256:${'a'.repeat(64)}`, slot: '1g.10gb' });
const result = { bytes: 0, sha256: '0'.repeat(64) };
const data: readonly (readonly [string, Record<string, unknown>])[] = [
  ['job.submitted', { deadlineMs: 1, spec, lossesMax: 3 }],
  ['job.attested', { affirms: true }],
  ['job.queued', { deadlineMs: 1 }],
  ['job.selected', {}],
  ['job.reserved', { deadlineMs: 1, slots: [{ gpu: 'gpu-0', profile: '1g.10gb', size: 1, start: 0 }] }],
  ['job.started', { deadlineMs: 1 }],
  ['job.exited', { exitCode: 0, result }],
  ['job.released', {}],
  ['job.succeeded', { result }],
];
const facts = data.map(([type, members], i) => ({
  type,
  seq: i + 1,
  at: i,
  data: members,
})) as unknown as JobFact[];

/** Microseconds a fact, each way. */
export function foldCosts(jobs: number): { tableUs: number; xstateUs: number } {
  const table = compileTable<JobState, JobContext, JobFact>(jobMachine);
  const byTable = (): void => {
    let job: Folded<JobState, JobContext> = { state: table.initial, context: newJob('bench', 'acme') };
    for (const fact of facts) job = table.step(job, fact) ?? job;
    if (job.state !== 'succeeded') throw new Error(`ended in ${job.state}`);
  };
  const byXState = (): void => {
    let snapshot = jobMachine.resolveState({ value: 'new', context: newJob('bench', 'acme') });
    for (const fact of facts) [snapshot] = transition(jobMachine, snapshot, fact);
    if (snapshot.value !== 'succeeded') throw new Error(`ended in ${String(snapshot.value)}`);
  };
  return { tableUs: perFact(byTable, jobs * 20), xstateUs: perFact(byXState, jobs) };
}

function perFact(run: () => void, times: number): number {
  for (let i = 0; i < times / 10; i += 1) run();
  const began = performance.now();
  for (let i = 0; i < times; i += 1) run();
  return ((performance.now() - began) * 1000) / (times * facts.length);
}
