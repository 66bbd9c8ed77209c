DELETE FROM lake.eider.log WHERE consumer = {{consumer}} AND kind = 'epoch';
INSERT INTO lake.eider.log BY NAME
SELECT 'epoch' AS kind, {{consumer}} AS consumer, {{epoch}} AS epoch, {{cursor}} AS "cursor", now() AS committed_at,
       coalesce((SELECT max(batch) FROM lake.eider.log WHERE consumer = {{consumer}}), 0) AS batch,
       {{system_identifier}} AS system_identifier, {{database}} AS database, {{installation}} AS installation,
       {{eider_version}} AS eider_version
