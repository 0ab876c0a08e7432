/**
 * JSON Schemas for the documents, made from the very zod schemas that check what comes in and shape what goes out.
 *
 * Why made and not written: a document that is kept beside the code is right on the day it is written. Names
 * become `#/components/schemas/NAME`, and a schema within a schema is a reference to its name.
 * Test: `test/intake/openapi.test.ts`.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { invariant } from '../errors.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;
/** `asked`: as a client writes it, defaults may be left out. `answered`: as it comes back, complete. */
export type Side = 'asked' | 'answered';

const pathOf = (name: string): string => `#/components/schemas/${name}`;

/** Collects schemas by name, one side at a time: the same spec has other required members when it is asked. */
export class SchemaBook {
  readonly #sides = { asked: z.registry<{ id: string }>(), answered: z.registry<{ id: string }>() };

  /** Names a schema, unless it has one on this side. */
  add(side: Side, name: string, schema: z.ZodType): void {
    if (!this.#sides[side].has(schema)) this.#sides[side].add(schema, { id: name });
  }

  /** A reference to a schema that was added. */
  ref(side: Side, schema: z.ZodType): JsonSchema {
    const id = this.#sides[side].get(schema)?.id;
    invariant(id, 'a schema without name in the documents');
    return { $ref: pathOf(id) };
  }

  /** All of them, by name. */
  components(): Record<string, JsonSchema> {
    const all: Record<string, JsonSchema> = {};
    for (const side of ['asked', 'answered'] as const) {
      const io = side === 'asked' ? ('input' as const) : ('output' as const);
      const { schemas } = z.toJSONSchema(this.#sides[side], { io, uri: pathOf, unrepresentable: 'any' });
      for (const [name, schema] of Object.entries(schemas)) {
        const bare = withoutIds(schema as JsonSchema);
        invariant(!all[name] || isDeepStrictEqual(all[name], bare), `two schemas are called ${name}`);
        all[name] = bare;
      }
    }
    return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** Members of an object schema, each as JSON Schema with whether it must be there: for parameters. */
export function membersOf(schema: z.ZodObject): { name: string; required: boolean; schema: JsonSchema }[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, member]) => ({
    name,
    required: required.includes(name),
    schema: withoutIds(member as JsonSchema),
  }));
}

/** The document says once which dialect it speaks; its parts need no identity of their own. */
function withoutIds(schema: JsonSchema): JsonSchema {
  const { $id: _id, $schema: _schema, ...rest } = schema;
  return rest;
}
