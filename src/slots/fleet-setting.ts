/**
 * The `--fleet` setting: `2xH100-80GB`, several joined by commas, or a JSON list.
 * Test: `test/slots/fleet-setting.test.ts`.
 */
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import { boards } from './boards.ts';

/** GPUs a controller may have. */
export const gpusMax = 10_000;

export interface FleetGpu {
  readonly id: string;
  readonly board: string;
  readonly enforcement: 'simulated' | 'advisory' | 'enforced';
}

const boardNames = Object.keys(boards);

export const fleetFileSchema = z
  .array(
    z.strictObject({
      board: z.enum(boardNames as [string, ...string[]]),
      // Nothing here programs a real GPU yet, so nothing may claim to.
      enforcement: z.literal('simulated').default('simulated'),
      id: z.string().regex(/^[a-z0-9-]{1,32}$/),
    }),
  )
  .min(1)
  .max(gpusMax)
  .refine((gpus) => new Set(gpus.map(({ id }) => id)).size === gpus.length, 'ids must differ');

/** `2xH100-80GB,1xA30-24GB` → GPUs `gpu-0`, `gpu-1`, `gpu-2`. Throws ERR_CONFIG, naming what is known. */
export function fleetOfPreset(preset: string): FleetGpu[] {
  const gpus: FleetGpu[] = [];
  for (const part of preset.split(',')) {
    const match = /^([1-9][0-9]{0,4})x(.+)$/.exec(part.trim());
    const [, count, board] = match ?? [];
    if (!count || !board || !boardNames.includes(board)) {
      throw new BerthError(
        'ERR_CONFIG',
        `--fleet: "${part}" is not COUNTxBOARD with a board of ${boardNames.join(', ')}, nor a file`,
      );
    }
    for (let i = 0; i < Number(count); i += 1)
      gpus.push({ id: `gpu-${gpus.length}`, board, enforcement: 'simulated' });
  }
  if (gpus.length > gpusMax)
    throw new BerthError('ERR_CONFIG', `--fleet: ${gpus.length} GPUs, at most ${gpusMax}`);
  return gpus;
}

/** The JSON form. Throws ERR_CONFIG, naming the member. */
export function fleetOfJson(text: string): FleetGpu[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BerthError('ERR_CONFIG', '--fleet: the file is not JSON', { cause });
  }
  const parsed = fleetFileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BerthError('ERR_CONFIG', `--fleet: ${issue?.path.join('.') || 'the list'}: ${issue?.message}`);
}
