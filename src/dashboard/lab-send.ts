/**
 * Sends what the Lab's form stands for: hash here, upload only what the server lacks, then check or submit.
 * Test: `test/dashboard/lab-send.test.ts`.
 */
import type { FieldError } from '../errors.ts';
import type { State } from '../jobs/state.ts';
import { sampleGuest, stored } from './lab-port.ts';
import { type Draft, jobOf } from './lab-request.ts';
import { Problem, type Server, type Validation } from './server.ts';

/** What is to be sent. */
export interface Parcel {
  readonly draft: Draft;
  /** A module of one's own; null for a sample guest. */
  readonly module: Uint8Array | null;
  /** Bytes for stdin; null: the text of the draft. */
  readonly input: Uint8Array | null;
  /** The tenant's terms allow unsigned requests. */
  readonly unsigned: boolean;
  /** What the log says is here. */
  readonly state: Pick<State, 'jobs'>;
}

/** What came of it. */
export type Answer =
  | { readonly kind: 'checked'; readonly validation: Validation }
  /** Ids in the order of sending; the same twice when one key made two requests one job. */
  | { readonly kind: 'sent'; readonly ids: readonly string[] }
  | {
      readonly kind: 'refused';
      /** Sent before the refusal. */
      readonly ids: readonly string[];
      readonly code: string;
      readonly message: string;
      readonly next: string;
      readonly fields: readonly FieldError[];
    };

/** Stands for a digest that is not known yet. */
const unknownDigest = `sha256:${'0'.repeat(64)}`;

/** Would it be taken, could it ever run, could it run now? Writes no job; module and input are stored. */
export const checks = (server: Server, parcel: Parcel): Promise<Answer> =>
  refusable(server, parcel, [], async (job) => ({
    kind: 'checked',
    validation: await server.validate(parcel.draft.tenant, job, { unsigned: parcel.unsigned }),
  }));

/** Sends as many copies as were asked for, and stops at the first refusal. */
export const sends = (
  server: Server,
  parcel: Parcel,
  onSent: (count: number) => void = () => undefined,
): Promise<Answer> => {
  const ids: string[] = [];
  const { draft, unsigned } = parcel;
  const key = draft.key === '' ? {} : { key: draft.key };
  return refusable(server, parcel, ids, async (job) => {
    for (let i = 0; i < Number(draft.copies); i += 1) {
      ids.push((await server.submit(draft.tenant, job, { unsigned, ...key })).id);
      onSent(ids.length);
    }
    return { kind: 'sent', ids };
  });
};

async function refusable(
  server: Server,
  parcel: Parcel,
  ids: readonly string[],
  act: (job: object) => Promise<Answer>,
): Promise<Answer> {
  const { draft } = parcel;
  const wrong = jobOf(draft, { module: unknownDigest }).errors;
  if (wrong.length > 0)
    return {
      kind: 'refused',
      ids,
      code: 'ERR_BAD_SPEC',
      message: 'Nothing was sent: the form is not in order.',
      next: 'Mend the fields that are marked.',
      fields: wrong,
    };
  try {
    return await act(jobOf(draft, await digestsOf(server, parcel)).job);
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof Problem))
      return { kind: 'refused', ids, code: 'ERR_UNREACHABLE', message, next: 'Try again.', fields: [] };
    const { code, next, fields } = error;
    return { kind: 'refused', ids, code, message, next, fields };
  }
}

async function digestsOf(
  server: Server,
  { draft, module, input, state }: Parcel,
): Promise<{ module: string; input?: string }> {
  const { tenant, guest, stdin } = draft;
  const bytes = input ?? (stdin === '' ? null : new TextEncoder().encode(stdin));
  return {
    module: await stored(server, state, tenant, module ?? (await sampleGuest(server, guest))),
    ...(bytes ? { input: await stored(server, state, tenant, bytes) } : {}),
  };
}
