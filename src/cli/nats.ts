/**
 * Sends one request by NATS: for a caller whose network reaches the bus and not the controller's port.
 *
 * Why only requests: blobs go by HTTP, where they are streamed and hashed. The signed request is the same
 * text on both ways, so the door treats it the same. Test: `test/cli/nats.test.ts`.
 */
import { connect, ErrorCode as NatsCode, type NatsConnection } from 'nats';
import { CommandError, usage } from './exit.ts';

/** How long the bus may take to connect and the controller to answer, ms. */
const answerMsMax = 10_000;

/** The reply to a signed job request: the HTTP body, with `status`. Throws ERR_NATS. */
export async function requestByNats(
  url: string,
  subject: string,
  payload: string,
): Promise<{ status: number }> {
  const connection = await connected(url);
  try {
    const reply = await connection.request(subject, new TextEncoder().encode(payload), {
      timeout: answerMsMax,
    });
    return reply.json<{ status: number }>();
  } catch (cause) {
    throw new CommandError('ERR_NATS', `${subject}: ${reasonOf(cause)}`, {
      cause,
      next: 'start the controller with --nats URL, or submit without --via nats',
    });
  } finally {
    await connection.close();
  }
}

async function connected(url: string): Promise<NatsConnection> {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed)
    throw usage(`--nats ${url}: must be a URL such as nats://127.0.0.1:4222`, 'berth job submit --help');
  const { username, password, host, protocol } = parsed;
  const tls = protocol === 'tls:' ? { tls: {} } : {};
  const login = username ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) } : {};
  try {
    return await connect({ servers: host, timeout: answerMsMax, reconnect: false, ...tls, ...login });
  } catch (cause) {
    throw new CommandError('ERR_NATS', `${host}: ${reasonOf(cause)}`, {
      cause,
      next: 'check --nats URL and that nats-server runs there',
    });
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  if (code === NatsCode.NoResponders) return 'no controller listens on this subject';
  if (code === NatsCode.Timeout) return `no answer within ${answerMsMax / 1_000} s`;
  if (code === NatsCode.ConnectionRefused) return 'nothing listens there';
  return message;
}
