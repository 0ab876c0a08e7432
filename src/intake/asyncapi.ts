/**
 * The AsyncAPI document: every fact with its subject, and the requests that are taken by NATS.
 *
 * Why made from `events/facts.ts`: that file is the closed list of what can happen. A reader of the stream finds
 * here each fact's exact form, and a fact that is added is described by being added.
 * Test: `test/intake/asyncapi.test.ts`.
 */
import { z } from 'zod';
import { type FactType, facts } from '../events/facts.ts';
import { digestSchema, jobSpecSchema } from '../events/spec.ts';
import { explanationSchema } from '../views/explanation.ts';
import { jobViewSchema } from '../views/job-view.ts';
import { problemSchema } from './openapi.ts';
import { signedBodySchema, submitBodySchema } from './routes-jobs.ts';
import { type JsonSchema, SchemaBook } from './schemas.ts';

/** Subjects of facts by kind; on NATS each stands under `berth.v1.evt.`. */
const subjects: Readonly<Record<string, { readonly address: string; readonly what: string }>> = {
  job: { address: 'job.{tenant}.{id}.{fact}', what: 'facts of one job, in the order of its life' },
  tenant: { address: 'tenant.{name}.{fact}', what: 'tenants, their terms and keys' },
  slot: { address: 'slot.{gpu}.{fact}', what: 'GPUs that came, were drained or restored' },
  controller: { address: 'controller.{fact}', what: 'starts, settings and stops of the controller' },
  intake: {
    address: 'intake.{tenant}.{fact}',
    what: 'what the door refused, counted; strangers share the name unknown',
  },
};

const idRequestSchema = z.strictObject({
  authorization: z
    .string()
    .exactOptional()
    .describe('Bearer JWT, where the server does not bind subjects to tenants'),
  id: z.string(),
});

/** Requests on NATS; the reply is the HTTP body with its `status`. */
const requests: Readonly<
  Record<string, { readonly asks: readonly z.ZodType[]; readonly answers: z.ZodType; readonly what: string }>
> = {
  submit: {
    asks: [submitBodySchema, signedBodySchema],
    answers: jobViewSchema,
    what: 'submits a job, as POST /v1/jobs',
  },
  cancel: { asks: [idRequestSchema], answers: jobViewSchema, what: 'asks for the end of a job' },
  get: { asks: [idRequestSchema], answers: jobViewSchema, what: 'one job' },
  explain: { asks: [idRequestSchema], answers: explanationSchema, what: 'why a job waits' },
};

/** The document as text. */
export function asyncApiText(): string {
  const book = new SchemaBook();
  book.add('asked', 'JobSpec', jobSpecSchema);
  book.add('asked', 'Digest', digestSchema);
  book.add('asked', 'SubmitJob', submitBodySchema);
  book.add('asked', 'SignedJob', signedBodySchema);
  book.add('asked', 'OfOneJob', idRequestSchema);
  book.add('answered', 'CompleteJobSpec', jobSpecSchema);
  book.add('answered', 'Job', jobViewSchema);
  book.add('answered', 'Explanation', explanationSchema);
  book.add('answered', 'Problem', problemSchema);
  for (const type of factTypes) book.add('answered', dataName(type), facts[type]);
  return JSON.stringify({
    asyncapi: '3.0.0',
    info: {
      title: 'Berth',
      version: '1',
      description:
        'Facts in one order, each published once it is durable, at least once, `Nats-Msg-Id` = seq. The same records are read over HTTP from /v1/log.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/json',
    channels: { ...factChannels(), ...requestChannels() },
    operations: { ...factOperations(), ...requestOperations() },
    components: { messages: messages(book), schemas: { ...book.components(), ...recordSchemas(book) } },
  });
}

const factTypes = Object.keys(facts) as FactType[];
const dataName = (type: FactType): string => `${type}.data`;
const messageRef = (name: string): JsonSchema => ({ $ref: `#/components/messages/${name}` });
const kindOf = (type: string): string => type.slice(0, type.indexOf('.'));

function factChannels(): Record<string, JsonSchema> {
  const channels = Object.entries(subjects).map(([kind, { address, what }]) => {
    const mine = factTypes.filter((type) => kindOf(type) === kind);
    return [`${kind}Facts`, channel(`berth.v1.evt.${address}`, what, mine)] as const;
  });
  return Object.fromEntries(channels);
}

function channel(address: string, description: string, names: readonly string[]): JsonSchema {
  const parameters = [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => [
    name,
    { description: `${name}: one token` },
  ]);
  return {
    address,
    description,
    ...(parameters.length > 0 ? { parameters: Object.fromEntries(parameters) } : {}),
    messages: Object.fromEntries(names.map((name) => [name, messageRef(name)])),
  };
}

function factOperations(): Record<string, JsonSchema> {
  // As AsyncAPI has it, the document tells what this application does: it sends facts.
  const entries = Object.entries(subjects).map(([kind, { what }]) => [
    `publish${kind.charAt(0).toUpperCase()}${kind.slice(1)}Facts`,
    { action: 'send', channel: { $ref: `#/channels/${kind}Facts` }, summary: what },
  ]);
  return Object.fromEntries(entries);
}

function requestChannels(): Record<string, JsonSchema> {
  const entries = Object.keys(requests).flatMap((verb) => [
    [verb, channel(`berth.v1.{tenant}.${verb}`, `requests to ${verb}`, askNames(verb))],
    [
      `${verb}Reply`,
      {
        address: null,
        description: "the asker's inbox",
        messages: { [`${verb}.reply`]: messageRef(`${verb}.reply`) },
      },
    ],
  ]);
  return Object.fromEntries(entries);
}

function requestOperations(): Record<string, JsonSchema> {
  const entries = Object.entries(requests).map(([verb, { what }]) => [
    verb,
    {
      action: 'receive',
      channel: { $ref: `#/channels/${verb}` },
      summary: what,
      reply: {
        address: { location: '$message.header#/reply' },
        channel: { $ref: `#/channels/${verb}Reply` },
      },
    },
  ]);
  return Object.fromEntries(entries);
}

const askNames = (verb: string): string[] =>
  (requests[verb]?.asks ?? []).map((_, i) => (i === 0 ? `${verb}.request` : `${verb}.signed`));

function messages(book: SchemaBook): Record<string, JsonSchema> {
  const all: Record<string, JsonSchema> = {};
  for (const type of factTypes) {
    all[type] = {
      name: type,
      contentType: 'application/json',
      payload: { $ref: `#/components/schemas/${type}` },
    };
  }
  for (const [verb, { asks, answers }] of Object.entries(requests)) {
    askNames(verb).forEach((name, i) => {
      all[name] = { name, payload: book.ref('asked', asks[i] as z.ZodType) };
    });
    const status = { type: 'object', properties: { status: { type: 'integer' } }, required: ['status'] };
    const body = { anyOf: [book.ref('answered', answers), book.ref('answered', problemSchema)] };
    all[`${verb}.reply`] = {
      name: `${verb}.reply`,
      payload: { description: 'the HTTP body, with its status', allOf: [status, body] },
    };
  }
  return all;
}

/** The record of each fact: what all have, its type, and its own data. */
function recordSchemas(book: SchemaBook): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = { Record: recordSchema };
  for (const type of factTypes) {
    const own = {
      type: 'object',
      properties: { data: book.ref('answered', facts[type]), type: { const: type } },
    };
    schemas[type] = { allOf: [{ $ref: '#/components/schemas/Record' }, own] };
  }
  return schemas;
}

const whole = { type: 'integer' };
const hex = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const recordSchema: JsonSchema = {
  type: 'object',
  properties: {
    at: { ...whole, description: 'ms since the Unix epoch' },
    author: { type: 'string', description: 'the actor whose command it was' },
    basis: { ...whole, description: 'seq up to which the author had folded when it decided' },
    cause: { type: ['integer', 'null'], description: 'seq of the fact that led to this one' },
    data: { type: 'object' },
    epoch: whole,
    hash: { ...hex, description: 'SHA-256 of the canonical record without this member' },
    id: { type: 'string', description: '<stream>:<version>, the message id' },
    prev: { ...hex, description: 'hash of the record before' },
    schema: whole,
    seq: { ...whole, description: 'gapless from 1: the one order of everything' },
    subject: { type: 'string' },
    trace: { type: ['string', 'null'], description: 'W3C traceparent' },
    type: { type: 'string' },
    version: { ...whole, description: 'place in the stream' },
  },
  required: [
    'at',
    'author',
    'basis',
    'cause',
    'data',
    'epoch',
    'id',
    'schema',
    'seq',
    'subject',
    'trace',
    'type',
    'version',
  ],
};
