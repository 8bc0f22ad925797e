-- What release 0.1 made in PostgreSQL.

CREATE TABLE records (
    record_key TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    parent_span_id TEXT NOT NULL,
    response_id TEXT NOT NULL,
    start_ns BIGINT NOT NULL,
    end_ns BIGINT NOT NULL,
    booked_ns BIGINT NOT NULL,
    kind TEXT NOT NULL,
    operation TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    model_requested TEXT NOT NULL,
    model_answered TEXT NOT NULL,
    process TEXT NOT NULL,
    scope TEXT NOT NULL,
    layer TEXT NOT NULL,
    service TEXT NOT NULL,
    environment TEXT NOT NULL,
    tenant TEXT NOT NULL,
    workspace TEXT NOT NULL,
    team TEXT NOT NULL,
    project TEXT NOT NULL,
    feature TEXT NOT NULL,
    agent TEXT NOT NULL,
    labels JSON NOT NULL,
    usage JSON,
    caller_route TEXT NOT NULL,
    caller_address TEXT NOT NULL,
    caller_token_hash TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    error TEXT NOT NULL,
    streaming BOOLEAN NOT NULL,
    sampled BOOLEAN NOT NULL,
    time_to_first_chunk_s DOUBLE PRECISION,
    status TEXT NOT NULL,
    counted_as TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    service_tier TEXT,
    server_address TEXT,
    usage_estimated BOOLEAN,
    CONSTRAINT pk_records PRIMARY KEY (record_key)
);

CREATE INDEX ix_records_booked_ns ON records (booked_ns);

CREATE INDEX ix_records_start_ns ON records (start_ns);

CREATE TABLE entries (
    id BIGSERIAL NOT NULL,
    record_key TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    entry TEXT NOT NULL,
    operations SMALLINT NOT NULL,
    occurred_ns BIGINT NOT NULL,
    booked_ns BIGINT NOT NULL,
    amount_nano BIGINT NOT NULL,
    list_nano BIGINT NOT NULL,
    input_nano BIGINT NOT NULL,
    output_nano BIGINT NOT NULL,
    cache_read_nano BIGINT NOT NULL,
    cache_write_nano BIGINT NOT NULL,
    other_nano BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    pricing_model TEXT NOT NULL,
    price_id TEXT NOT NULL,
    catalog TEXT NOT NULL,
    source TEXT NOT NULL,
    counted_as TEXT NOT NULL,
    paying_list_nano BIGINT,
    CONSTRAINT pk_entries PRIMARY KEY (id),
    CONSTRAINT uq_entries_record_key_sequence UNIQUE (record_key, sequence),
    CONSTRAINT fk_entries_record_key FOREIGN KEY(record_key) REFERENCES records (record_key)
);

CREATE INDEX ix_entries_booked_ns ON entries (booked_ns);

CREATE INDEX ix_entries_occurred_ns ON entries (occurred_ns);

CREATE TABLE opinions (
    record_key TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    source TEXT NOT NULL,
    amount_nano BIGINT NOT NULL,
    against_nano BIGINT,
    disagrees BOOLEAN NOT NULL,
    CONSTRAINT pk_opinions PRIMARY KEY (record_key, sequence, source),
    CONSTRAINT fk_opinions_record_key FOREIGN KEY(record_key) REFERENCES records (record_key)
);
