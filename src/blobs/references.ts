/**
 * Which blobs the log still speaks of: modules, models and inputs of jobs, and their results.
 *
 * Why collect by reference and not by age: a digest in a fact is a promise that the bytes are there. What no
 * fact names was uploaded and never used, and goes after a day. Test: `test/blobs/references.test.ts`.
 */
import type { Job } from '../jobs/state.ts';

/** Names `<tenant> <sha256>` of all blobs that jobs refer to. */
export function referencedBlobs(jobs: Iterable<Job>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { context } of jobs) {
    const { tenant, spec, gone } = context;
    for (const digest of [spec?.module, spec?.model, spec?.input]) {
      if (digest) names.add(`${tenant} ${digest.slice('sha256:'.length)}`);
    }
    if (gone?.how === 'exited') names.add(`${tenant} ${gone.result.sha256}`);
  }
  return names;
}
