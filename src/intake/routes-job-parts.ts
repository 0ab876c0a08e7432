/** Routes of what hangs on a job: its facts, result, logs, reasons and attestation. */
import { z } from 'zod';
import { isEnd } from '../../machines/job.ts';
import { BerthError } from '../errors.ts';
import { attestationOf, attestationSchema } from '../views/attestation-view.ts';
import { explanationSchema } from '../views/explanation.ts';
import type { JobView } from '../views/job-view.ts';
import { factPage, factPageSchema, jobSource } from '../views/log-view.ts';
import { traceViewSchema } from '../views/trace-view.ts';
import { type Answer, isProblem } from './answer.ts';
import { followFacts, lastEventId } from './events.ts';
import { type Call, jobParams, type Route, route, wholeInQuery } from './route.ts';
import { blobReply } from './routes-blobs.ts';

/** The job's view when this identity may see it; otherwise 404, for foreign and unknown ids alike. */
function jobOf(call: Call, id: string): JobView {
  const answer = call.parts.door.job(id, call.identity);
  if (isProblem(answer)) throw new BerthError('ERR_NOT_FOUND', `no job ${id}`);
  return answer.body as JobView;
}

const streamName = ({ tenant, id }: JobView): string => `job.${tenant}.${id}`;
const hasEnded = (call: Call, id: string): boolean => {
  const job = call.life.views.state.jobs.get(id);
  return job !== undefined && isEnd(job.state);
};

const factsQuery = z.strictObject({
  from: wholeInQuery(1, 1e15).optional().describe('first seq, 1 unless told otherwise'),
  limit: wholeInQuery(1, 1_000).optional().describe('facts a page, 100 unless told otherwise'),
});

export const jobPartRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/jobs/{id}/events',
    auth: 'tenant',
    summary: "The job's facts, as a page, or as events that end with the job",
    params: jobParams,
    query: factsQuery,
    events: true,
    responses: [
      { status: 200, what: 'a page of facts', schema: factPageSchema },
      {
        status: 204,
        what: 'asked for events after the last fact of a job that has ended: nothing can follow',
      },
    ],
    handle: async (call) => {
      const { life, params, query, identity } = call;
      const job = jobOf(call, params.id);
      const source = jobSource(life, identity, streamName(job));
      const { from = 1, limit = 100 } = query;
      if (!call.wantsEvents)
        return { status: 200, body: await factPage(source, from, limit, () => life.views.seq) };
      const isOver = (): boolean => hasEnded(call, params.id);
      const last = lastEventId(call);
      // 204 tells an EventSource to stop asking: nothing can follow an end.
      if (isOver() && last !== null && last >= job.seq) return { status: 204, body: null };
      return followFacts(call, source, last === null ? from : last + 1, isOver);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/{id}/result',
    auth: 'tenant',
    summary: "The result: the guest's stdout, byte for byte",
    params: jobParams,
    responses: [{ status: 200, what: 'the bytes', type: 'application/octet-stream' }],
    problems: ['ERR_NOT_YET', 'ERR_NO_RESULT'],
    handle: async (call) => {
      const { id, tenant, state, result, cause } = jobOf(call, call.params.id);
      if (result) return blobReply(call, tenant, result.sha256);
      if (!hasEnded(call, id))
        throw new BerthError('ERR_NOT_YET', `job ${id} is ${state} and has no result yet`);
      throw new BerthError(
        'ERR_NO_RESULT',
        `job ${id} ended as ${state}: ${cause?.code ?? ''} ${cause?.message ?? ''}`.trim(),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/{id}/logs',
    auth: 'tenant',
    summary: "The last 64 KiB of the guest's stderr; kept in memory, so gone after a restart",
    params: jobParams,
    responses: [{ status: 200, what: 'text as the guest wrote it', type: 'text/plain; charset=utf-8' }],
    problems: ['ERR_NOT_YET'],
    handle: (call) => {
      const { id, state, attempt } = jobOf(call, call.params.id);
      const text = call.life.executor.logsOf(id);
      if (text !== null) return { status: 200, text, type: 'text/plain; charset=utf-8' };
      if (attempt === 0 && !hasEnded(call, id))
        throw new BerthError('ERR_NOT_YET', `job ${id} is ${state}; no guest has run yet`);
      throw new BerthError(
        'ERR_NOT_FOUND',
        `no logs of job ${id} are kept: they live in memory, of the last attempts only`,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/{id}/explain',
    auth: 'tenant',
    summary: 'Why the job waits: every reason that holds now, and what would lift it',
    params: jobParams,
    responses: [
      { status: 200, what: 'reasons, ranked; none when it does not wait', schema: explanationSchema },
    ],
    handle: ({ parts, params, identity }): Answer => parts.door.explain(params.id, identity),
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/{id}/attestation',
    auth: 'tenant',
    summary: 'What attestation found, with the signed report',
    params: jobParams,
    responses: [{ status: 200, what: 'the finding', schema: attestationSchema }],
    problems: ['ERR_NOT_YET'],
    handle: async (call) => {
      const job = jobOf(call, call.params.id);
      const source = jobSource(call.life, call.identity, streamName(job));
      const { facts } = await factPage(source, 1, 8, () => call.life.views.seq);
      const finding = attestationOf(job.id, facts);
      if (!finding)
        throw new BerthError('ERR_NOT_YET', `job ${job.id} is ${job.state}; nothing has been attested`);
      return { status: 200, body: finding };
    },
  }),
  route({
    method: 'GET',
    path: '/v1/jobs/{id}/trace',
    auth: 'tenant',
    summary: 'The spans of a job that runs or ended not long ago, made from its facts',
    params: jobParams,
    responses: [{ status: 200, what: 'the trace', schema: traceViewSchema }],
    handle: (call) => {
      const { id } = jobOf(call, call.params.id);
      const trace = call.parts.traceOf?.(id);
      if (!trace)
        throw new BerthError('ERR_NOT_FOUND', `no trace of job ${id} is kept: it ended too long ago`);
      return { status: 200, body: trace };
    },
  }),
];
