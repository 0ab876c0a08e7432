/** The OpenAPI document says what the router does: same routes, same parameters, schemas that answers fulfil. */
import * as assert from 'uvu/assert';
import { errors } from '../../src/errors.ts';
import { codesOf, openApiText, operationId } from '../../src/intake/openapi.ts';
import { routes } from '../../src/intake/routes.ts';
import { suite } from '../suite.ts';
import { danglingRefs } from './refs.ts';
import { newWorld } from './world.ts';

const t = suite('openapi');

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: object;
  }[];
  readonly requestBody?: { readonly content: Record<string, unknown> };
  readonly responses: Record<
    string,
    { readonly description: string; readonly content?: Record<string, unknown> }
  >;
  readonly security: readonly object[];
}
const document = JSON.parse(openApiText(routes)) as {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<string, { readonly type?: string; readonly required?: string[] }>;
  };
};

t('every route of the table is in the document, and the document has no other', () => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.equal(described.sort(), routes.map(({ method, path }) => `${method} ${path}`).sort());
  assert.is(document.openapi, '3.1.0');
});

t('every name in braces is a parameter, and every parameter of a row is described', () => {
  for (const route of routes) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()] as Operation;
    const named = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string).sort();
    const inPath = operation.parameters.filter((each) => each.in === 'path');
    assert.equal(inPath.map(({ name }) => name).sort(), named, route.path);
    assert.equal(Object.keys(route.params?.shape ?? {}).sort(), named, route.path);
    assert.ok(inPath.every(({ required }) => required));
    const inQuery = operation.parameters.filter((each) => each.in === 'query').map(({ name }) => name);
    assert.equal(inQuery.sort(), Object.keys(route.query?.shape ?? {}).sort(), route.path);
    assert.is(Boolean(operation.requestBody), Boolean(route.body), route.path);
    assert.is(
      operation.security.some((each) => 'bearer' in each),
      route.auth !== 'none',
      route.path,
    );
    for (const { status } of route.responses)
      assert.ok(operation.responses[String(status)], `${route.path} ${status}`);
  }
});

t('all references lead somewhere, and all operations have names of their own', () => {
  assert.equal(danglingRefs({ a: [{ $ref: '#/b' }] }), ['#/a/0: #/b'], 'the check finds a planted one');
  assert.equal(danglingRefs(document), []);
  assert.ok(JSON.stringify(document).split('$ref').length > 60);
  const names = routes.map(operationId);
  assert.is(new Set(names).size, names.length);
});

t('a job spec asks for module and slot alone; a complete one has all members with a default', () => {
  const { JobSpec, CompleteJobSpec, Problem } = document.components.schemas;
  assert.equal(JobSpec?.required?.sort(), ['module', 'slot']);
  assert.ok((CompleteJobSpec?.required?.length ?? 0) > 8);
  assert.ok(Problem?.required?.includes('code'));
});

t('limits of numbers in a query are whole numbers with bounds', () => {
  const limit = document.paths['/v1/jobs']?.['get']?.parameters.find(({ name }) => name === 'limit')?.schema;
  assert.equal(
    { ...limit, description: '' },
    { type: 'integer', minimum: 1, maximum: 1_000, description: '' },
  );
});

t('each code that a route may answer with stands at its status', () => {
  for (const route of routes) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()] as Operation;
    for (const code of codesOf(route)) {
      const own = route.responses.some(({ status }) => status === errors[code].http);
      const { description = '' } = operation.responses[String(errors[code].http)] ?? {};
      assert.ok(own || description.includes(code), `${route.method} ${route.path}: ${code}`);
    }
  }
});

t('what is served is what the schemas of the table say', async () => {
  const world = await newWorld();
  try {
    const id = await world.submit({ labels: { a: 'b' } });
    await world.until(id, 'succeeded');
    const served = await world.ask('GET', '/openapi.json');
    assert.equal([served.status, served.json], [200, document]);
    let checked = 0;
    for (const route of routes.filter(({ method }) => method === 'GET')) {
      const path = route.path
        .replace('{id}', id)
        .replace('{sha256}', world.module.slice(7))
        .replace('{name}', 'hello');
      const as = route.auth === 'none' ? undefined : route.auth === 'admin' ? 'admin' : 'acme';
      const answer = await world.ask('GET', path, { as });
      const rule = route.responses.find(({ status }) => status === answer.status);
      if (route.path.endsWith('/trace')) continue;
      assert.ok(rule, `${path}: ${answer.status} ${answer.text}`);
      assert.match(
        String(answer.headers['content-type']),
        rule.schema ? 'application/json' : String(rule.type),
      );
      if (!rule.schema) continue;
      const parsed = rule.schema.safeParse(answer.json);
      assert.ok(parsed.success, `${path}: ${parsed.error?.message}`);
      checked += 1;
    }
    assert.ok(checked >= 10, `${checked} answers were compared`);
    const problem = await world.ask('GET', '/v1/jobs/none', { as: 'acme' });
    assert.match(String(problem.headers['content-type']), 'application/problem+json');
    assert.equal(
      Object.keys(problem.json).sort(),
      [...(document.components.schemas['Problem']?.required ?? [])].sort(),
    );
  } finally {
    await world.end();
  }
});

t.run();
