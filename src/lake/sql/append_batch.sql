INSERT INTO lake.eider.log BY NAME
SELECT 'batch' AS kind, {{consumer}} AS consumer, {{epoch}} AS epoch, {{batch}} AS batch, {{cursor}} AS "cursor",
       {{dl_ts}}::TIMESTAMPTZ AS committed_at, {{events}} AS events, {{bytes}} AS bytes, {{tables}} AS tables,
       {{oldest_ts}} AS oldest_ts, {{system_identifier}} AS system_identifier, {{database}} AS database,
       {{installation}} AS installation, {{eider_version}} AS eider_version
