import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { objectCreated, readNotification, readObjectEvent } from '../../../core/store/object-event.ts';

const KEY = 'incoming/default/CT1@10.0.0.7/1.2/1.2.3/1.2.3.4~0123456789ab.dcm';

function record(eventName: string, key: string): unknown {
  return { eventVersion: '2.1', eventName, s3: { bucket: { name: 'b' }, object: { key, size: 1 } } };
}

function sqs(...bodies: string[]): unknown {
  return {
    Records: bodies.map((body, index) => ({
      eventSource: 'aws:sqs',
      messageId: `m${index}`,
      receiptHandle: 'r',
      body,
      attributes: { ApproximateReceiveCount: '2' },
    })),
  };
}

describe('readNotification', () => {
  const table: [string, unknown, readonly string[], number][] = [
    ['Put', { Records: [record('ObjectCreated:Put', KEY)] }, [KEY], 0],
    ['Post', { Records: [record('ObjectCreated:Post', KEY)] }, [KEY], 0],
    ['Copy', { Records: [record('ObjectCreated:Copy', KEY)] }, [KEY], 0],
    ['CompleteMultipartUpload', { Records: [record('ObjectCreated:CompleteMultipartUpload', KEY)] }, [KEY], 0],
    [
      'MinIO names with s3:',
      { EventName: 's3:ObjectCreated:Put', Key: `b/${KEY}`, Records: [record('s3:ObjectCreated:Put', KEY)] },
      [KEY],
      0,
    ],
    ['MinIO tags: not an arrival', { Records: [record('s3:ObjectCreated:PutTagging', KEY)] }, [], 0],
    ['retention: not an arrival', { Records: [record('s3:ObjectCreated:PutRetention', KEY)] }, [], 0],
    ['removal', { Records: [record('ObjectRemoved:Delete', KEY)] }, [], 0],
    ['test event', { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'b' }, [], 0],
    ['elsewhere', { Records: [record('ObjectCreated:Put', 'rules/abc.json')] }, [], 0],
    ['encoded', { Records: [record('ObjectCreated:Put', 'incoming/a+b%2Bc%40d/%C3%A4.dcm')] }, ['incoming/a b+c@d/ä.dcm'], 0],
    ['encoded slash', { Records: [record('ObjectCreated:Put', 'incoming%2Fx%2Fy.dcm')] }, ['incoming/x/y.dcm'], 0],
    ['twice the same', { Records: [record('ObjectCreated:Put', KEY), record('ObjectCreated:Put', KEY)] }, [KEY], 0],
    [
      'one bad record does not hide the good',
      { Records: [null, record('ObjectCreated:Put', KEY), { eventName: 'ObjectCreated:Put' }] },
      [KEY],
      2,
    ],
    ['key not UTF-8', { Records: [record('ObjectCreated:Put', 'incoming/%FF')] }, [], 1],
    ['key too long', { Records: [record('ObjectCreated:Put', `incoming/${'x'.repeat(4000)}`)] }, [], 1],
    ['key not text', { Records: [{ eventName: 'ObjectCreated:Put', s3: { object: { key: 7 } } }] }, [], 1],
    ['records not a list', { Records: 'x' }, [], 1],
    ['text', 'hello', [], 1],
    ['null', null, [], 1],
    ['empty', {}, [], 1],
  ];
  it.each(table)('%s', (_name, event, keys, problems) => {
    const read = readNotification(event);
    expect(read.keys).toEqual(keys);
    expect(read.problems.map((problem) => problem.code)).toEqual(Array<string>(problems).fill('EVENT_INVALID'));
  });

  it('reads back what objectCreated writes, for any key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }), (name) => {
        const key = `incoming/${name}`;
        expect(readNotification(JSON.parse(JSON.stringify(objectCreated('b', [key])))).keys).toEqual([key]);
      }),
    );
  });
});

describe('readObjectEvent', () => {
  it('gives each SQS message its keys, its count and its own problems', () => {
    const good = JSON.stringify({ Records: [record('ObjectCreated:Put', KEY)] });
    const event = readObjectEvent(sqs(good, '{ not json', JSON.stringify({ Event: 's3:TestEvent' })));
    expect(event.kind).toBe('sqs');
    expect(event.messages.map(({ messageId, receives, keys }) => ({ messageId, receives, keys }))).toEqual([
      { messageId: 'm0', receives: 2, keys: [KEY] },
      { messageId: 'm1', receives: 2, keys: [] },
      { messageId: 'm2', receives: 2, keys: [] },
    ]);
    expect(event.messages.map(({ problems }) => problems.map(({ object }) => object))).toEqual([[], ['message m1'], []]);
  });

  it('takes a bare notification as one message', () => {
    const event = readObjectEvent({ Records: [record('ObjectCreated:Put', KEY)] });
    expect(event).toEqual({ kind: 's3', messages: [{ keys: [KEY], problems: [] }] });
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.anything(), fc.string(), (value, body) => {
        const events = [readObjectEvent(value), readObjectEvent(sqs(body)), readObjectEvent({ Records: [value] })];
        for (const { messages } of events) for (const { keys } of messages) expect(keys).toEqual([]);
      }),
    );
  });
});
