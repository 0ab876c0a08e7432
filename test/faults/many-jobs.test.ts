/** Two thousand jobs through the front door, with the runners that `npm start` has. */
import * as assert from 'uvu/assert';
import { Caller, eventually, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';
import { judge, ofType, recordsOf } from './history.ts';

const t = suite('faults/many jobs');
const jobs = 2_000;
const clients = 8;

t(
  `${jobs} no-op jobs by HTTP all end in succeeded, and none is lost on the way`,
  async () => {
    const server = await ServerProcess.begin({ flags: ['--log-level', 'error'] });
    const callers = Array.from({ length: clients }, () => new Caller(server));
    const [first] = callers as [Caller, ...Caller[]];
    try {
      const module = await first.put(sampleGuest('noop'));
      const accepted: string[] = [];
      const startedAt = performance.now();
      await Promise.all(
        callers.map(async (caller) => {
          while (accepted.length < jobs) {
            // The place is taken before the wait: eight clients must not send more than was asked for.
            const place = accepted.push('') - 1;
            const request = await caller.signed({ module });
            const { status, json } = await eventually('there is room', async () => {
              const answer = await caller.send(request);
              return answer.status !== 429 && answer;
            });
            assert.is(status, 202, JSON.stringify(json));
            accepted[place] = (json as { id: string }).id;
          }
        }),
      );
      const acceptedMs = performance.now() - startedAt;
      assert.is(new Set(accepted).size, jobs);
      for (const id of [accepted.at(-1) ?? '', ...accepted]) {
        assert.is((await first.until(id, undefined, 60_000)).state, 'succeeded', id);
      }
      const endedMs = performance.now() - startedAt;
      assert.is((await server.end()).code, 0, server.stderr);
      const judged = await judge(server.data, accepted);
      assert.is(judged.ended, jobs);
      assert.is(judged.lost, 0);
      assert.is(ofType(await recordsOf(server.data), 'job.succeeded').length, jobs);
      console.log(`${jobs} accepted in ${acceptedMs.toFixed(0)} ms, ended in ${endedMs.toFixed(0)} ms`);
    } finally {
      for (const caller of callers) caller.close();
      await server.remove();
    }
  },
  { limitMs: 120_000 },
);

t.run();
