-- Rows, as often as they occur, of one side that the other does not have. eider_source: the rows of the source table.
CREATE OR REPLACE TEMP TABLE eider_missing AS FROM temp.eider_source EXCEPT ALL {{mirror_rows}};
CREATE OR REPLACE TEMP TABLE eider_surplus AS {{mirror_rows}} EXCEPT ALL FROM temp.eider_source
