/** The AsyncAPI document. */
export function asyncApiText(): string {
  return JSON.stringify({ asyncapi: '3.0.0' });
}
