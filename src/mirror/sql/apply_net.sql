DELETE FROM {{mirror}} AS mirror USING (SELECT {{keys}} FROM temp.eider_net WHERE NOT is_new) AS net
WHERE {{mirror_is_net}}{{range}};
INSERT INTO {{mirror}} SELECT {{columns}} FROM temp.eider_net WHERE op <> 'D'
