/** Routes outside `/v1`: probes, metrics, documents, keys. None of them needs a key. */
import { z } from 'zod';
import { publicKeySchema } from '../events/facts.ts';
import type { Call, Reply, Route, TextReply } from './route.ts';

export const readinessSchema = z.strictObject({
  code: z.string().nullable(),
  ready: z.boolean(),
  reason: z.string().nullable(),
  state: z.string(),
});
export const keySetSchema = z.strictObject({ keys: z.array(publicKeySchema) });

const json = (text: string): TextReply => ({ status: 200, text, type: 'application/json' });

function readiness({ parts }: Call): Reply {
  const life = parts.life();
  const closed = life
    ? life.gate.closed
    : { code: 'ERR_READ_ONLY', reason: 'the controller is recovering from its log' };
  const state = life?.gate.state ?? 'recovering';
  const body = { code: closed?.code ?? null, ready: closed === null, reason: closed?.reason ?? null, state };
  return { status: closed ? 503 : 200, body };
}

export const probeRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/livez',
    auth: 'none',
    probe: true,
    summary: 'Is the process there and its loop turning?',
    responses: [{ status: 200, what: 'yes', schema: z.strictObject({ alive: z.literal(true) }) }],
    handle: () => ({ status: 200, body: { alive: true } }),
  },
  {
    method: 'GET',
    path: '/readyz',
    auth: 'none',
    probe: true,
    summary: 'Would a job be taken now? A full queue counts as ready: it answers 429 and empties',
    responses: [
      { status: 200, what: 'yes', schema: readinessSchema },
      { status: 503, what: 'no, and why', schema: readinessSchema },
    ],
    handle: readiness,
  },
  {
    method: 'GET',
    path: '/metrics',
    auth: 'none',
    probe: true,
    summary: 'Metrics in the Prometheus text format',
    responses: [{ status: 200, what: 'metrics', type: 'text/plain; version=0.0.4; charset=utf-8' }],
    handle: async ({ parts }) => ({
      status: 200,
      text: await parts.metricsText(),
      type: 'text/plain; version=0.0.4; charset=utf-8',
    }),
  },
  {
    method: 'GET',
    path: '/openapi.json',
    auth: 'none',
    summary: 'This interface, as OpenAPI 3.1',
    responses: [{ status: 200, what: 'the document', type: 'application/json' }],
    handle: ({ parts }) => json(parts.documents.openapi()),
  },
  {
    method: 'GET',
    path: '/asyncapi.json',
    auth: 'none',
    summary: 'The facts and the NATS subjects, as AsyncAPI 3.0',
    responses: [{ status: 200, what: 'the document', type: 'application/json' }],
    handle: ({ parts }) => json(parts.documents.asyncapi()),
  },
  {
    method: 'GET',
    path: '/.well-known/jwks.json',
    auth: 'none',
    summary: 'Public keys of this controller: what attestation reports verify with',
    responses: [{ status: 200, what: 'a JWK set', schema: keySetSchema }],
    handle: ({ parts }) => ({ status: 200, body: { keys: parts.publicKeys() } }),
  },
];
