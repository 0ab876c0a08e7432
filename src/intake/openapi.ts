/**
 * The OpenAPI document, made from the table of routes.
 * Test: `test/intake/openapi.test.ts`.
 */
import type { Route } from './route.ts';

/** The document as text. */
export function openApiText(routes: readonly Route[]): string {
  return JSON.stringify({
    openapi: '3.1.0',
    paths: Object.fromEntries(routes.map(({ path }) => [path, {}])),
  });
}
