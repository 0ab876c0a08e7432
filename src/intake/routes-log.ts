/** The routes of the log: what happened, as far as the reader may know, in pages or as it happens; and its signed head. */
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import { beginningOf, beginSchema } from '../views/begin-view.ts';
import { factPage, factPageSchema, logSource } from '../views/log-view.ts';
import { followFacts, lastEventId } from './events.ts';
import { type Reply, type Route, route, wholeInQuery } from './route.ts';

const logQuery = z.strictObject({
  from: wholeInQuery(1, 1e15).optional().describe('first seq, 1 unless told otherwise; Last-Event-ID wins'),
  limit: wholeInQuery(1, 1_000).optional().describe('facts a page, 100 unless told otherwise'),
  subject: z
    .string()
    .max(256)
    .optional()
    .describe('pattern as in NATS: `*` for one token, `>` for the rest; `>` unless told otherwise'),
});

const digest = z.string().regex(/^[0-9a-f]{64}$/);
export const headSchema = z.strictObject({
  head: z.strictObject({
    seq: z.number().int().describe('the record that the log had come to'),
    hash: digest.describe('and its hash, which stands for all before it'),
    epoch: z.number().int(),
    at: z.number().int().describe('when it was signed, ms since the Unix epoch'),
    log: digest.nullable().describe('hash of the first record: which log this is'),
  }),
  jws: z.string().describe('the same, signed with a key of /.well-known/jwks.json: what a witness keeps'),
});

export const logRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/log',
    auth: 'tenant',
    summary:
      'Facts in their one order: a tenant gets its own and those of slots and controller, the admin all',
    query: logQuery,
    events: true,
    responses: [{ status: 200, what: 'a page of facts', schema: factPageSchema }],
    handle: async (call) => {
      const { life, query, identity } = call;
      const { from = 1, limit = 100, subject = '>' } = query;
      const source = logSource(life, identity, subject);
      if (!source) {
        const message = 'must be tokens between dots, `*` for any one, `>` at the end for all that follow';
        throw new BerthError('ERR_BAD_REQUEST', `subject: ${message}`, {
          fields: [{ field: 'subject', message }],
        });
      }
      if (!call.wantsEvents)
        return { status: 200, body: await factPage(source, from, limit, () => life.views.seq) };
      const last = lastEventId(call);
      return followFacts(call, source, last === null ? from : last + 1);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/log/begin',
    auth: 'admin',
    summary:
      'From which seq on a reader can fold this log, and the folds to begin with where its beginning is far or gone',
    responses: [{ status: 200, what: 'where to begin', schema: beginSchema }],
    problems: ['ERR_NOT_FOUND'],
    handle: async ({ life }): Promise<Reply> => {
      const { length, text } = await beginningOf(life);
      return { status: 200, bytes: text, length, headers: { 'content-type': 'application/json' } };
    },
  }),
  // Without a key, like the probes: a witness should need no leave of the one whom it watches. It tells how many
  // facts there are, which /metrics tells too, and nothing of what they say.
  route({
    method: 'GET',
    path: '/v1/log/head',
    auth: 'none',
    summary:
      'The newest signed head of the log: whoever keeps it can prove later that the log was cut or made anew',
    responses: [{ status: 200, what: 'the head and its signature', schema: headSchema }],
    problems: ['ERR_NOT_FOUND'],
    handle: ({ life, parts }) => {
      const newest = parts.newestHead?.();
      if (newest && newest.head.seq <= life.log.durable)
        return { status: 200, body: { head: newest.head, jws: newest.jws } };
      throw new BerthError('ERR_NOT_FOUND', 'no head of the log is signed yet');
    },
  }),
];
