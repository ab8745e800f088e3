import { describe, expect, it } from 'vitest';
import { openapiCommand } from '../../src/cli/openapi.ts';
import { createAsyncDocument } from '../../src/http/api/asyncapi.ts';
import { buildMessage, messageSchema } from '../../src/partners/message.ts';

const document = JSON.parse(JSON.stringify(createAsyncDocument())) as ReturnType<typeof createAsyncDocument>;

/** Every `$ref` of the document. */
const references = (value: unknown): string[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : references(inner)));
const at = (pointer: string) =>
  pointer
    .slice(2)
    .split('/')
    .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], document);

describe('the AsyncAPI document', () => {
  it('has what AsyncAPI 3.0 requires, and each reference leads somewhere', () => {
    expect(document.asyncapi).toBe('3.0.0');
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    for (const operation of Object.values(document.operations)) {
      expect(operation.action).toMatch(/^(send|receive)$/);
      expect(at(operation.channel.$ref)).toHaveProperty('address');
      // A message of an operation is one of its channel's, by reference to the channel.
      for (const { $ref } of operation.messages)
        expect($ref.startsWith(`${operation.channel.$ref}/messages/`)).toBe(true);
    }
    const all = references(document);
    expect(all.length).toBeGreaterThan(6);
    for (const reference of all) expect(at(reference), reference).toBeDefined();
    for (const name of ['asyncapi', 'info', 'channels', 'operations', 'components'])
      expect(document).toHaveProperty(name);
  });

  it('says of each parameter of an address what it is', () => {
    for (const channel of Object.values(document.channels)) {
      const named = channel.address.startsWith('{lethe}') ? [] : [...channel.address.matchAll(/\{(\w+)\}/g)];
      expect(Object.keys('parameters' in channel ? channel.parameters : {})).toEqual(named.map(([, name]) => name));
    }
  });

  it('describes the message that is built: every member, and which must be there', () => {
    const call = {
      id: 'x',
      erasureId: 'e',
      location: 'search',
      account: { id: '7' },
      requestedAt: new Date(),
      values: { customer: null },
      keys: ['k'],
    };
    const message = buildMessage(call, { publicUrl: 'https://lethe.test', tokenOf: () => 't' });
    expect(messageSchema.parse(message)).toEqual(message);
    const { Message } = document.components.schemas as { Message: Described };
    expect(Object.keys(Message.properties).sort()).toEqual(Object.keys(message).sort());
    expect(Message.required).toEqual(expect.arrayContaining(['id', 'type', 'data']));
    const { data } = Message.properties as { data: Described };
    expect(Object.keys(data.properties).sort()).toEqual(Object.keys(message.data).sort());
    expect(data.required).not.toContain('keys');
    expect(data.required).toContain('acknowledge');
  });

  it('is printed by lethe openapi --events', () => {
    expect(openapiCommand().options.map((option) => option.long)).toContain('--events');
  });
});

type Described = { properties: Record<string, unknown>; required: string[] };
