/** The AsyncAPI document has every fact, in the channel of its kind, with the schema that the log checks. */
import * as assert from 'uvu/assert';
import { facts } from '../../src/events/facts.ts';
import { asyncApiText } from '../../src/intake/asyncapi.ts';
import { suite } from '../suite.ts';
import { danglingRefs } from './refs.ts';

const t = suite('asyncapi');

interface Channel {
  readonly address: string | null;
  readonly parameters?: Record<string, unknown>;
  readonly messages: Record<string, unknown>;
}
const document = JSON.parse(asyncApiText()) as {
  readonly asyncapi: string;
  readonly channels: Record<string, Channel>;
  readonly operations: Record<string, { readonly channel: { readonly $ref: string } }>;
  readonly components: {
    readonly messages: Record<string, unknown>;
    readonly schemas: Record<string, { readonly properties?: object }>;
  };
};

t('every fact is a message of exactly one channel, and no other message claims to be a fact', () => {
  const factChannels = Object.values(document.channels).filter(({ address }) =>
    address?.startsWith('berth.v1.evt.'),
  );
  const names = factChannels.flatMap(({ messages }) => Object.keys(messages));
  assert.equal(names.sort(), Object.keys(facts).sort());
  for (const type of Object.keys(facts)) {
    const kind = type.slice(0, type.indexOf('.'));
    assert.ok(document.channels[`${kind}Facts`]?.messages[type], type);
    assert.match(document.channels[`${kind}Facts`]?.address ?? '', `berth.v1.evt.${kind}.`);
  }
});

t("a fact's data has the members that the log's own schema has", () => {
  for (const [type, schema] of Object.entries(facts)) {
    const described = document.components.schemas[`${type}.data`]?.properties ?? {};
    assert.equal(Object.keys(described).sort(), Object.keys(schema.shape).sort(), type);
  }
});

t('all references lead somewhere, and every address names its parameters', () => {
  assert.is(document.asyncapi, '3.0.0');
  assert.equal(danglingRefs(document), []);
  for (const { address, parameters = {} } of Object.values(document.channels)) {
    const named = [...(address ?? '').matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
    assert.equal(Object.keys(parameters).sort(), named.sort(), String(address));
  }
  const used = Object.values(document.operations).map(({ channel }) => channel.$ref);
  assert.is(new Set(used).size, used.length);
});

t('the four requests on NATS are described, each with its reply', () => {
  for (const verb of ['submit', 'cancel', 'get', 'explain']) {
    assert.is(document.channels[verb]?.address, `berth.v1.{tenant}.${verb}`);
    assert.ok(document.channels[`${verb}Reply`]);
  }
});

t.run();
