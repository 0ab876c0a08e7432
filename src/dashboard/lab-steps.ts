/**
 * The words of which the Lab's failures are written: submit, wait, cancel, crowd the fleet, drain, expect a refusal. Each is a
 * sentence for whoever looks on, and a small function. Test: `test/dashboard/lab.test.ts`.
 */
import type { JobState } from '../../machines/job.ts';
import type { TenantTerms } from '../events/facts.ts';
import { type Edge, mainRole, type Run, type Step, StepFailed } from './lab-run.ts';
import type { LabSight } from './lab-sight.ts';
import { Problem } from './server.ts';

/** A job as a scenario writes it. */
export interface LabJob {
  /** A sample guest by name, or its bytes. */
  readonly guest: string | (() => Uint8Array);
  readonly input?: () => Uint8Array;
  /** `small`: the fleet's smallest slot, unless told otherwise. `crowd`: so many whole GPUs that one that is held is in the way. */
  readonly slot?: 'small' | 'whole' | 'crowd' | `${number}g.${number}gb`;
  readonly args?: readonly string[];
  readonly capabilities?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
  readonly attempts?: { readonly max: number; readonly backoffMs: number };
}

/** Where a limit is not what a scenario is about, a busy machine must not run into it, ms. */
const patient = { startMs: 60_000, wallMs: 60_000 };
/** How often a scenario tries to meet a state that lasts for milliseconds. */
const triesMax = 12;
/** A job that is held back is watched for so long, ms. */
const heldMs = 600;

/** The spec of a job; its module and input are stored first. */
export async function specOf(
  run: Run,
  { guest, input, slot = 'small', limits, ...rest }: LabJob,
): Promise<object> {
  const { port, sight } = run;
  const module = await port.put(typeof guest === 'string' ? await port.guest(guest) : guest());
  const bytes = input?.();
  return {
    module,
    ...(bytes ? { input: await port.put(bytes) } : {}),
    slot: slot === 'small' ? sight.small : slot === 'whole' || slot === 'crowd' ? sight.whole : slot,
    ...(slot === 'crowd' ? { gpus: sight.crowd } : {}),
    ...rest,
    limits: { ...patient, ...limits },
    labels: { made: 'lab' },
  };
}

const step = (says: string, act: Step['act'], touches?: string): Step => ({
  says,
  act,
  ...(touches === undefined ? {} : { touches }),
});

const nameOf = ({ guest }: LabJob): string => (typeof guest === 'string' ? guest : 'a module made for this');

/** Sends a job that the door must take. */
export const submits = (job: LabJob, role = mainRole): Step =>
  step(
    `submit ${nameOf(job)}${role === mainRole ? '' : ` (${role})`}`,
    async (run) => run.is(role, await run.port.submit(await specOf(run, job))),
    job.guest === 'loop' ? 'a job that does not return by itself holds a slot' : undefined,
  );

export const reaches = (state: JobState, role = mainRole): Step =>
  step(`wait until ${role === mainRole ? 'it' : `the ${role}`} is ${state}`, async (run) => {
    await run.reaches(role, state);
  });

/** Waits for a fact of the job, by its word. */
export const hears = (fact: string, role = mainRole): Step =>
  step(`wait for the fact ${fact}`, (run) =>
    run.until(`the fact ${fact}`, () => run.facts(role).some(({ type }) => type === `job.${fact}`)),
  );

export const cancels = (role = mainRole): Step =>
  step(`cancel ${role === mainRole ? 'it' : `the ${role}`}`, (run) => run.port.cancel(run.id(role)));

/** Lets jobs that never return hold so many whole GPUs that a job of `crowd` has to wait. */
export const crowds = (): Step =>
  step(
    'hold a GPU with a job that never returns',
    async (run) => {
      for (let i = 0; i < run.sight.held; i += 1) {
        const role = `holder ${i + 1}`;
        run.is(role, await run.port.submit(await specOf(run, { guest: 'loop', slot: 'whole' })));
      }
      for (let i = 0; i < run.sight.held; i += 1) await run.reaches(`holder ${i + 1}`, 'running');
    },
    'jobs that do not return by themselves hold whole GPUs',
  );

/** Ends what `crowds` began. */
export const letsGo = (): Step =>
  step('let the GPU go', async (run) => {
    for (let i = 0; i < run.sight.held; i += 1) await run.port.cancel(run.id(`holder ${i + 1}`));
    for (let i = 0; i < run.sight.held; i += 1) await run.ends(`holder ${i + 1}`);
  });

/** The job must not move meanwhile. */
export const staysQueued = (role = mainRole): Step =>
  step(`see that it stays in the queue for ${heldMs} ms`, async (run) => {
    await run.port.pause(heldMs);
    if (run.state(role) !== 'queued') throw new StepFailed(`it did not wait: it is ${run.state(role)}`);
  });

/** Takes GPUs out of service, as many as a job of `crowd` can't do without. They come back at the end. */
export const drains = (): Step =>
  step(
    'drain a GPU, as the operator',
    async (run) => {
      for (const gpu of run.sight.gpus.slice(-run.sight.held)) {
        run.finally(() => run.port.restore(gpu));
        await run.port.drain(gpu);
      }
    },
    'GPUs are drained',
  );

export const restores = (): Step =>
  step('put the GPU back into service', async (run) => {
    for (const gpu of run.sight.gpus.slice(-run.sight.held)) await run.port.restore(gpu);
  });

/** Changes terms of the tenant, as the operator. The former ones come back at the end. */
export const setsTerms = (says: string, terms: (sight: LabSight) => Partial<TenantTerms>): Step =>
  step(
    says,
    async (run) => {
      const wanted = terms(run.sight);
      const former = Object.keys(wanted).map((name) => [name, run.sight.terms[name as keyof TenantTerms]]);
      run.finally(() => run.port.setTerms(Object.fromEntries(former) as Partial<TenantTerms>));
      await run.port.setTerms(wanted);
    },
    'terms of the tenant are lowered',
  );

export const strikes = (role = mainRole): Step =>
  step('kill its runner with SIGKILL', (run) => run.port.strike(run.id(role)), 'a runner is killed');

/** What the door answers must be this refusal. */
export const isRefused = (says: string, code: string, act: (run: Run) => Promise<unknown>): Step =>
  step(`${says}: ${code}`, async (run) => {
    const answer = await act(run).then(
      () => 'it was taken',
      (error: unknown) => (error instanceof Problem ? error.code : String(error)),
    );
    if (answer !== code) throw new StepFailed(`expected ${code}; the server's answer: ${answer}`);
  });

/** Sends the same job twice with the same key: one job, one answer. */
export const submitsTwice = (job: LabJob): Step =>
  step(`submit ${nameOf(job)} twice with the same key`, async (run) => {
    const spec = await specOf(run, job);
    const id = await run.port.submit(spec, run.key);
    run.is(mainRole, id);
    const again = await run.port.submit(spec, run.key);
    if (again !== id) throw new StepFailed(`the second answer names another job, ${again}`);
    await run.ends(mainRole);
    const jobs = run.facts(mainRole).filter(({ type }) => type === 'job.submitted');
    if (jobs.length !== 1) throw new StepFailed(`the log holds ${jobs.length} submissions`);
  });

/** Does `act` to one job after the other until one of them has taken the edge: its state lasts for milliseconds. */
export const triesUntil = (says: string, edge: Edge, job: LabJob, act: (run: Run) => Promise<void>): Step =>
  step(`${says}, until it was met`, async (run) => {
    for (let i = 0; i < triesMax; i += 1) {
      run.is(mainRole, await run.port.submit(await specOf(run, job)));
      await act(run);
      await run.ends(mainRole);
      if (run.walk(mainRole).some((each) => each.edge === edge)) return;
    }
    throw new StepFailed(`${triesMax} jobs were too quick; next: run it again`);
  });
