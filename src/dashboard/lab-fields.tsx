/** Fields of the Lab's form: each with its label, what it means, and what is wrong with it. */
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { FieldError } from '../errors.ts';
import { type Draft, errorOf } from './lab-request.ts';

export interface FieldsProps {
  readonly draft: Draft;
  readonly errors: readonly FieldError[];
  readonly change: (part: Partial<Draft>) => void;
}

/** What ties a control to its label, hint and error. */
export interface Tied {
  readonly id: string;
  readonly 'aria-describedby': string;
  readonly 'aria-invalid': boolean;
}

/** One control with its label, a hint, and, where there is one, its error. */
export function Field({
  label,
  hint = '',
  error = '',
  children,
}: {
  readonly label: string;
  readonly hint?: string;
  readonly error?: string;
  readonly children: (tied: Tied) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class={error === '' ? 'lab-field' : 'lab-field wrong'}>
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': `${id}-more`, 'aria-invalid': error !== '' })}
      <small id={`${id}-more`}>
        {hint === '' ? null : <span class="soft">{hint}</span>}
        {error === '' ? null : (
          <span class="bad" role="alert">
            ✕ {error}
          </span>
        )}
      </small>
    </div>
  );
}

type TextName = { [K in keyof Draft]: Draft[K] extends string ? K : never }[keyof Draft];

/** One line of text or a number. */
export function Line({
  draft,
  errors,
  change,
  name,
  field,
  label,
  hint = '',
  placeholder = '',
}: FieldsProps & {
  readonly name: TextName;
  /** Its name in a request, and so in a refusal. */
  readonly field: string;
  readonly label: string;
  readonly hint?: string;
  readonly placeholder?: string;
}) {
  const error = errorOf(errors, field);
  return (
    <Field label={label} hint={hint} error={error}>
      {(tied) => (
        <input
          {...tied}
          name={name}
          value={draft[name]}
          placeholder={placeholder}
          onInput={(event) => change({ [name]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
}

/** Several lines of text. */
export function Lines({
  draft,
  errors,
  change,
  name,
  field,
  label,
  hint = '',
}: FieldsProps & {
  readonly name: TextName;
  readonly field: string;
  readonly label: string;
  readonly hint?: string;
}) {
  const error = errorOf(errors, field);
  return (
    <Field label={label} hint={hint} error={error}>
      {(tied) => (
        <textarea
          {...tied}
          name={name}
          rows={2}
          value={draft[name]}
          onInput={(event) => change({ [name]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
}
